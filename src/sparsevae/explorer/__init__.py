"""A page in the browser to see and move sparse codes, served or as a single file."""
