SELECT width, day FROM floors
