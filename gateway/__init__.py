"""verzuimpoort: the hallway that joins the rooms to the outside."""
