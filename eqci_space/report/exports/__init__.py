"""Files for others: tables, calendars, workbooks, orbits, network controllers, crews."""
