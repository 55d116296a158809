"""What adapters, fakes and the stand have to agree on, with each other and with the official descriptions."""
