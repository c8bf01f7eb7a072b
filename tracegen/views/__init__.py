"""Views: pure record -> record functions that shorten; every one replays."""
