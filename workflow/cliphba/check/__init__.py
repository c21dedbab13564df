"""What can be known of a study before anything is computed: what is there, what is wrong, what it will take.

Only tables, headers and names of files are read, and nothing is written.
"""
