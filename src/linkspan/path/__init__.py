"""The live servers on the packet's and the name's way."""
