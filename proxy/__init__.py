"""Floor 3, the running house: sockets, disks, clocks and tasks. See README.md beside this file."""
