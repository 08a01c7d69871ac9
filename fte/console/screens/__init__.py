"""What fills the terminal: the queue, a conversation, and the dialogs over them."""
