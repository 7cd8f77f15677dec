# What every target of ours is compiled with. Warnings are errors; a warning we do not want is named here with its reason.
add_library(umbel_warnings INTERFACE)
add_library(umbel::warnings ALIAS umbel_warnings)
target_compile_options(umbel_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor -Wold-style-cast
  -Woverloaded-virtual -Wnull-dereference -Wimplicit-fallthrough -Werror
  # GCC 12 reports paths through its own std::string and std::vector that cannot be taken (GCC bugs 105329, 105651).
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict;-Wno-null-dereference;-Wno-maybe-uninitialized>)

if(UMBEL_SANITIZE)
  add_compile_options(-fsanitize=${UMBEL_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${UMBEL_SANITIZE})
  if(UMBEL_SANITIZE MATCHES "thread")
    add_compile_options(-Wno-tsan)  # GCC 12 warns of Boost's fences, which TSan does not model
  endif()
endif()

if(UMBEL_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)  # libFuzzer's coverage, in the libraries as in the targets
endif()
