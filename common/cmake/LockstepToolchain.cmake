# Language level, warnings, build types, sanitizers, and the third-party packages of every target.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Dev CACHE STRING "Dev, Release or Debug" FORCE)
endif()
# "Dev" has no flags of its own, neither optimisation nor debug symbols: a full build has to fit into a CI run on two
# cores. For a debugger: cmake --preset dev -DCMAKE_CXX_FLAGS=-g

find_program(LOCKSTEP_CCACHE ccache)
if(LOCKSTEP_CCACHE)
  # What one clone compiled serves another; and ccache has to be told that nothing here prints the time of day, or it
  # keeps its hands off precompiled headers.
  set(CMAKE_CXX_COMPILER_LAUNCHER
    "${CMAKE_COMMAND}" -E env "CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}" CCACHE_NOHASHDIR=1
    CCACHE_SLOPPINESS=pch_defines,time_macros "${LOCKSTEP_CCACHE}")
endif()

set(LOCKSTEP_SANITIZE "" CACHE STRING "Sanitizers for our own code, for example address,undefined")
if(LOCKSTEP_SANITIZE)
  # Reports name files and lines.
  add_compile_options(-fsanitize=${LOCKSTEP_SANITIZE} -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=${LOCKSTEP_SANITIZE})
endif()
option(LOCKSTEP_CLANG_TIDY "Run clang-tidy while compiling our own code" OFF)
if(LOCKSTEP_CLANG_TIDY)
  find_program(LOCKSTEP_CLANG_TIDY_PROGRAM clang-tidy)
  if(NOT LOCKSTEP_CLANG_TIDY_PROGRAM)
    message(FATAL_ERROR "The preset tidy needs clang-tidy: `make tidy` or `apt-get install clang-tidy` installs it.")
  endif()
endif()
# Builds that are made to be quick. clang-tidy cannot read what g++ precompiled.
if(CMAKE_BUILD_TYPE STREQUAL "Dev" AND NOT LOCKSTEP_CLANG_TIDY)
  set(LOCKSTEP_PRECOMPILE ON)
  # Some packages ask for this and some do not; a precompiled header serves only files that agree.
  add_compile_options(-pthread)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # A tenth of the time of g++ goes into collecting garbage when it may use only a little memory; it needs half a GB.
    # The other option lets ccache see a precompiled header.
    add_compile_options("SHELL:--param ggc-min-heapsize=2000000" -fpch-preprocess)
  endif()
endif()

# Links in less than half the time of the default, and comes with the same package.
find_program(LOCKSTEP_GOLD ld.gold)
if(CMAKE_BUILD_TYPE STREQUAL "Dev" AND LOCKSTEP_GOLD)
  add_link_options(-fuse-ld=gold)
endif()

find_package(Threads REQUIRED)
# Module mode: Debian's protobuf has no config package that gRPC's would agree with.
find_package(Protobuf REQUIRED)
find_package(gRPC CONFIG REQUIRED)
find_package(absl CONFIG REQUIRED)
find_package(spdlog CONFIG REQUIRED)
find_package(nlohmann_json CONFIG REQUIRED)
find_package(CLI11 CONFIG REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(CURL REQUIRED)
find_package(civetweb CONFIG REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED)
find_package(GTest CONFIG REQUIRED)
find_package(benchmark CONFIG REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(libpq REQUIRED IMPORTED_TARGET libpq)

# libpg-query is a header and a library, no more.
find_path(PG_QUERY_INCLUDE_DIR pg_query.h REQUIRED)
find_library(PG_QUERY_LIBRARY pg_query REQUIRED)
add_library(lockstep_pg_query INTERFACE)
add_library(lockstep::pg_query ALIAS lockstep_pg_query)
target_include_directories(lockstep_pg_query SYSTEM INTERFACE "${PG_QUERY_INCLUDE_DIR}")
target_link_libraries(lockstep_pg_query INTERFACE "${PG_QUERY_LIBRARY}")

# An executable that needs 80 shared libraries spends half of a short command on loading them. Debian brings archives of
# most: this points the imported targets at them. libpq stays shared, its archive lacks those of Kerberos and LDAP.
option(LOCKSTEP_LINK_ARCHIVES "Link gRPC, protobuf, abseil and libpg-query into the executables" OFF)
if(LOCKSTEP_LINK_ARCHIVES)
  get_directory_property(imported IMPORTED_TARGETS)
  foreach(target IN LISTS imported)
    if(NOT target MATCHES "^(absl|gRPC|protobuf)::")
      continue()
    endif()
    get_target_property(type ${target} TYPE)
    if(NOT type MATCHES "^(SHARED|UNKNOWN)_LIBRARY$")
      continue()
    endif()
    get_target_property(configurations ${target} IMPORTED_CONFIGURATIONS)
    if(NOT configurations)
      set(configurations "")
    endif()
    foreach(suffix IN ITEMS "" LISTS configurations)
      string(REGEX REPLACE "^(.+)$" "_\\1" suffix "${suffix}")
      get_target_property(location ${target} IMPORTED_LOCATION${suffix})
      string(REGEX REPLACE "\\.so[.0-9]*$" ".a" archive "${location}")
      if(EXISTS "${archive}")
        set_target_properties(${target} PROPERTIES IMPORTED_LOCATION${suffix} "${archive}")
      endif()
    endforeach()
  endforeach()
  string(REGEX REPLACE "\\.so[.0-9]*$" ".a" archive "${PG_QUERY_LIBRARY}")
  set_target_properties(lockstep_pg_query PROPERTIES INTERFACE_LINK_LIBRARIES "${archive}")
endif()

set(LOCKSTEP_WARNINGS -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Werror)
# When it optimises, g++ 12 warns without cause about "literal" + std::string (GCC bug 105651) and about members of a
# std::variant that is moved (GCC bug 105593).
list(APPEND LOCKSTEP_WARNINGS -Wno-restrict -Wno-maybe-uninitialized)
