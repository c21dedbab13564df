"""Files that real studies take from elsewhere: transferred, checked, unpacked."""
