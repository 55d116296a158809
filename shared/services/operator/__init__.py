"""What a person sees and asks for."""
