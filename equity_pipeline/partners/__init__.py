"""The registry of partners: one YAML file each, read, checked and scaffolded here."""
