"""One module a command of `yt8m`; see `yt8m.cli` for what each one holds."""
