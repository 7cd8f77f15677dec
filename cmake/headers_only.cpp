// Gives a library that is headers alone an object file, so that every folder is a target of the
// same kind.
