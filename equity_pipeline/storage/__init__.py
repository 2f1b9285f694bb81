"""Where everything lies in a home, and how files come into being whole or not at all."""
