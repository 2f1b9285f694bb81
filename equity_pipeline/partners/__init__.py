"""The registry of partners: one YAML file each, read and checked here."""
