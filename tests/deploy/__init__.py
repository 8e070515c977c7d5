"""What operators install: containers, the systemd unit, and the files for hosts."""
