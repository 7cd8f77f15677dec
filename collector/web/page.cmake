# The page: built by Vite from collector/web, then turned into C++ that umbel_collector compiles in. Both happen again when a source of
# the page changes. Commands are looked for, not packages: a Node from elsewhere conflicts with Debian's npm.
find_program(UMBEL_NODE NAMES node nodejs)
find_program(UMBEL_NPM npm)
if(NOT UMBEL_NODE OR NOT UMBEL_NPM)
  message(FATAL_ERROR "The page of the collector is built with node and npm, and they are not here. "
    "On Debian: apt-get install --no-install-recommends nodejs npm")
endif()

set(web ${CMAKE_CURRENT_SOURCE_DIR}/web)
set(dist ${CMAKE_CURRENT_BINARY_DIR}/page)
set(UMBEL_PAGE_SOURCE ${CMAKE_CURRENT_BINARY_DIR}/web_assets.cpp)
file(GLOB_RECURSE page_sources CONFIGURE_DEPENDS ${web}/src/* ${web}/public/*)
list(APPEND page_sources ${web}/index.html ${web}/vite.config.ts ${web}/svelte.config.js ${web}/tsconfig.json ${web}/package.json)

# node_modules is shared by all presets; npm leaves .package-lock.json there when it is done.
add_custom_command(
  OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/npm.stamp
  COMMAND sh -c "test node_modules/.package-lock.json -nt package-lock.json || \"$0\" ci --no-audit --no-fund --loglevel=error" ${UMBEL_NPM}
  COMMAND ${CMAKE_COMMAND} -E touch ${CMAKE_CURRENT_BINARY_DIR}/npm.stamp
  WORKING_DIRECTORY ${web}
  DEPENDS ${web}/package-lock.json
  COMMENT "Fetching what the page is built with" VERBATIM)

add_custom_command(
  OUTPUT ${UMBEL_PAGE_SOURCE}
  COMMAND ${UMBEL_NPM} run --silent build -- --outDir ${dist} --emptyOutDir --logLevel warn
  COMMAND ${UMBEL_NODE} ${web}/scripts/size.mjs ${dist}
  COMMAND ${UMBEL_NODE} ${web}/scripts/embed.mjs ${dist} ${UMBEL_PAGE_SOURCE}
  WORKING_DIRECTORY ${web}
  DEPENDS ${CMAKE_CURRENT_BINARY_DIR}/npm.stamp ${web}/scripts/embed.mjs ${web}/scripts/size.mjs ${page_sources}
  COMMENT "Building the page" VERBATIM)
