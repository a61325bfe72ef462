"""DHCP: addresses that the LAN's own server gives, asked for and renewed by busybox's client."""
