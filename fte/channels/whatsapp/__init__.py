"""WhatsApp, over Twilio."""
