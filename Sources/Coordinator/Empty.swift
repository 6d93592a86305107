// placeholder until the floor is built
