"""The stand: everything the product needs, on one machine, without Azure. The product is never changed for it."""
