"""A real study's own data as tables: pictures, judgements, epochs and published RDMs that people give."""
