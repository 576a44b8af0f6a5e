"""Replies of the protocol for people: as plain text and as HTML. Pure: a reply goes in, a text comes out."""
