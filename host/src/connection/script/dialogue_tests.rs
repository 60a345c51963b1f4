//! Conversations with scripted peers.
