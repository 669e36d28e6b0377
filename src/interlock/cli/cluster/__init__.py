"""`interlock cluster dev`: everything a production layout has, on this machine, in a folder that is gone at the end."""
