"""The faces page: choosing a face and watching its inversion."""
