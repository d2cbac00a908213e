//! Each rule on made-up text: a breach is found, and clean text is let be.

mod arrows;
mod code;
mod text;
