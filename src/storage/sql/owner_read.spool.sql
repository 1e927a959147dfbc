SELECT location FROM owner
