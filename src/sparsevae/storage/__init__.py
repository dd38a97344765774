"""Files that are whole or absent, one cache, arrays and their type names."""
