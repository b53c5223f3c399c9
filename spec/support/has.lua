-- The text, or what tostring makes of the value, must have that part.
return function(text, part)
  if not tostring(text):find(part, 1, true) then
    error(("no %q in %q"):format(part, tostring(text)), 2)
  end
end
