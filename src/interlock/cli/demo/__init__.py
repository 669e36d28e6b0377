"""The demonstration: a server on a throw-away file, and a call centre's day played against it over HTTP."""
