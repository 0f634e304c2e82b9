"""The microservices; they never import each other."""
