"""Everything that works in a terminal: the network, its training, its probes, its records. Knows no Qt."""
