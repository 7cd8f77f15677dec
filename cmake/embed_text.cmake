# Turns a text file into C++: cmake -DFROM=file -DTO=file.cpp -DHEADER=openapi.hpp -DNAMESPACE=… -DFUNCTION=… -P embed_text.cmake
file(READ ${FROM} text)
string(FIND "${text}" ")umbel\"" ends)
if(NOT ends EQUAL -1)
  message(FATAL_ERROR "${FROM} holds the mark that ends a raw string")
endif()
file(WRITE ${TO} "#include \"${HEADER}\"\n\nnamespace ${NAMESPACE} {\n\nstd::string_view ${FUNCTION}() {\n"
  "  return R\"umbel(${text})umbel\";\n}\n\n}  // namespace ${NAMESPACE}\n")
