"""What people look at: tables, figures, the page, notes for the dashboard."""
