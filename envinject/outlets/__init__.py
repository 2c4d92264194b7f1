"""Ways out for values: `export` and `get`. Nothing else of ours ever writes one down."""
