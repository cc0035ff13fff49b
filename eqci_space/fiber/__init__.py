"""The terrestrial network: spans, relay, stores, delivery."""
