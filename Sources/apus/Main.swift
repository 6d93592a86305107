// The entry of the program.
print("apus")
