# Compiler settings, and the function that makes a layer.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)

find_program(PAWL_CCACHE ccache)
if(PAWL_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # What was compiled in one clone is found again in the next, wherever that lies.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
                                  ${PAWL_CCACHE})
endif()
find_program(PAWL_MOLD mold)
if(PAWL_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Woverloaded-virtual
                    -Wswitch-enum -Wimplicit-fallthrough -Werror)
# False alarms of g++ 12's optimiser over std::string and std::optional (GCC bugs 105651 and 105562).
add_compile_options(-Wno-restrict -Wno-maybe-uninitialized)

# address = address + undefined behaviour; thread = data races.
set(PAWL_SANITIZE "" CACHE STRING "address, thread or empty")
if(PAWL_SANITIZE STREQUAL "address")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
elseif(PAWL_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
  add_link_options(-fsanitize=thread)
elseif(PAWL_SANITIZE)
  message(FATAL_ERROR "PAWL_SANITIZE is '${PAWL_SANITIZE}'; use address, thread or nothing")
endif()

# pawl_layer(NAME [PURE] DEPS layer… LINK library…)
# A static library of every .cpp in the current folder. DEPS are layers of ours,
# LINK are system libraries. One include spelling: from the root of the tree.
function(pawl_layer name)
  cmake_parse_arguments(L "" "" "DEPS;LINK" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "/main\\.cpp$")
  if(sources)
    add_library(${name} STATIC ${sources})
    set(scope PUBLIC)
  else()
    add_library(${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_include_directories(${name} ${scope} ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} ${scope} ${L_DEPS} ${L_LINK} Threads::Threads)
endfunction()

# Header-heavy files (CLI11, toml++, nlohmann) under a sanitizer take half a
# minute at -O1 and a few seconds at -O0.
function(pawl_cheap_sanitizer_build target)
  get_target_property(kind ${target} TYPE)
  if(PAWL_SANITIZE AND NOT kind STREQUAL "INTERFACE_LIBRARY")
    target_compile_options(${target} PRIVATE -O0)
  endif()
endfunction()
