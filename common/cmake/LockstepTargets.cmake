# How targets are declared: lockstep_library, lockstep_binary, lockstep_test, lockstep_bench, lockstep_proto,
# lockstep_manifest.
# A library NAME is the target lockstep_NAME, used as lockstep::NAME. Headers are included from the repository root.

# lockstep_precompile(target header): the target's files see common/precompiled/<header>.h already parsed.
function(lockstep_precompile target header)
  if(LOCKSTEP_PRECOMPILE)
    target_precompile_headers(${target} REUSE_FROM lockstep_precompiled_${header})
  endif()
endfunction()

function(_lockstep_own_code target precompiled)
  target_compile_options(${target} PRIVATE ${LOCKSTEP_WARNINGS})
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}")
  lockstep_precompile(${target} ${precompiled})
  if(LOCKSTEP_CLANG_TIDY)
    set_target_properties(${target} PROPERTIES CXX_CLANG_TIDY "${LOCKSTEP_CLANG_TIDY_PROGRAM};--quiet")
  endif()
endfunction()

# lockstep_library(NAME n [SRCS ...] [DEPS ...] [PRIVATE_DEPS ...]); no SRCS makes a header-only library.
function(lockstep_library)
  cmake_parse_arguments(ARG "" "NAME" "SRCS;DEPS;PRIVATE_DEPS" ${ARGN})
  set(target lockstep_${ARG_NAME})
  if(ARG_SRCS)
    add_library(${target} STATIC ${ARG_SRCS})
    _lockstep_own_code(${target} ours)
    target_include_directories(${target} PUBLIC "${PROJECT_SOURCE_DIR}")
    target_link_libraries(${target} PUBLIC ${ARG_DEPS} PRIVATE ${ARG_PRIVATE_DEPS})
  else()
    add_library(${target} INTERFACE)
    target_include_directories(${target} INTERFACE "${PROJECT_SOURCE_DIR}")
    target_link_libraries(${target} INTERFACE ${ARG_DEPS})
  endif()
  add_library(lockstep::${ARG_NAME} ALIAS ${target})
endfunction()

# lockstep_binary(NAME n SRCS ... DEPS ... [PRECOMPILED header]): an executable in build/<preset>/bin.
function(lockstep_binary)
  cmake_parse_arguments(ARG "" "NAME;PRECOMPILED" "SRCS;DEPS" ${ARGN})
  if(NOT ARG_PRECOMPILED)
    set(ARG_PRECOMPILED ours)
  endif()
  add_executable(${ARG_NAME} ${ARG_SRCS})
  _lockstep_own_code(${ARG_NAME} ${ARG_PRECOMPILED})
  target_link_libraries(${ARG_NAME} PRIVATE ${ARG_DEPS})
  set_target_properties(${ARG_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
endfunction()

# lockstep_test(NAME n SRCS ... DEPS ... [LABELS unit|integration|fault|e2e] [TIMEOUT seconds])
# A test with another label than "unit" gets the private PostgreSQL cluster of tests/support as a fixture; `cluster.sh
# url` with the folder in LOCKSTEP_TEST_CLUSTER_DIR prints its connection string (ClusterUrl() of test_database.h).
function(lockstep_test)
  cmake_parse_arguments(ARG "SERIAL" "NAME;TIMEOUT" "SRCS;DEPS;LABELS;ENVIRONMENT" ${ARGN})
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 60)
  endif()
  add_executable(${ARG_NAME} ${ARG_SRCS})
  _lockstep_own_code(${ARG_NAME} tests)
  target_link_libraries(${ARG_NAME} PRIVATE ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  set_target_properties(${ARG_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
  set(properties LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT})
  if(ARG_SERIAL)
    list(APPEND properties RUN_SERIAL ON)
  endif()
  if("unit" IN_LIST ARG_LABELS)
    # One process per binary: starting a process per case would cost more than the cases do.
    add_test(NAME ${ARG_NAME} COMMAND ${ARG_NAME})
  else()
    add_test(NAME ${ARG_NAME} COMMAND ${ARG_NAME})
    list(APPEND properties FIXTURES_REQUIRED postgres)
    list(APPEND ARG_ENVIRONMENT "LOCKSTEP_TEST_CLUSTER_DIR=${PROJECT_BINARY_DIR}/test-cluster")
  endif()
  list(APPEND ARG_ENVIRONMENT "LOCKSTEP_SOURCE_DIR=${PROJECT_SOURCE_DIR}" "LOCKSTEP_BINARY_DIR=${PROJECT_BINARY_DIR}/bin")
  set_tests_properties(${ARG_NAME} PROPERTIES ${properties} ENVIRONMENT "${ARG_ENVIRONMENT}")
endfunction()

# lockstep_bench(NAME n SRCS ... DEPS ...): a Google Benchmark program, run by `make bench`, never by CTest.
function(lockstep_bench)
  cmake_parse_arguments(ARG "" "NAME" "SRCS;DEPS" ${ARGN})
  add_executable(${ARG_NAME} EXCLUDE_FROM_ALL ${ARG_SRCS})
  _lockstep_own_code(${ARG_NAME} ours)
  target_link_libraries(${ARG_NAME} PRIVATE ${ARG_DEPS} benchmark::benchmark_main)
  set_target_properties(${ARG_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bench")
endfunction()

# lockstep_proto(NAME n ROOT dir FILES a/b.proto ... [DEPS ...] [GRPC])
# Compiles the files (paths relative to ROOT) into lockstep::proto_NAME; DEPS are NAMEs of other proto libraries. It is
# linked whole: the linker drops objects that no symbol refers to, and reflection would then not know them.
function(lockstep_proto)
  cmake_parse_arguments(ARG "GRPC" "NAME;ROOT" "FILES;DEPS" ${ARGN})
  set(out "${PROJECT_BINARY_DIR}/proto")
  file(MAKE_DIRECTORY "${out}")
  set(sources "")
  foreach(file IN LISTS ARG_FILES)
    string(REGEX REPLACE "\\.proto$" "" stem "${file}")
    set(outputs "${out}/${stem}.pb.cc" "${out}/${stem}.pb.h")
    set(plugin_args "")
    if(ARG_GRPC)
      list(APPEND outputs "${out}/${stem}.grpc.pb.cc" "${out}/${stem}.grpc.pb.h")
      set(plugin_args "--grpc_out=${out}" "--plugin=protoc-gen-grpc=$<TARGET_FILE:gRPC::grpc_cpp_plugin>")
    endif()
    add_custom_command(
      OUTPUT ${outputs}
      # protoc's own include folder comes first: the npm package carries a newer descriptor.proto.
      COMMAND protobuf::protoc "-I${Protobuf_INCLUDE_DIRS}" "-I${ARG_ROOT}" "-I${LOCKSTEP_GOOGLEAPIS_DIR}"
              "--cpp_out=${out}" ${plugin_args} "${ARG_ROOT}/${file}"
      DEPENDS "${ARG_ROOT}/${file}"
      VERBATIM)
    list(FILTER outputs INCLUDE REGEX "\\.cc$")
    list(APPEND sources ${outputs})
  endforeach()
  set(archive lockstep_proto_${ARG_NAME}_archive)
  add_library(${archive} STATIC ${sources})
  lockstep_precompile(${archive} protos)
  target_include_directories(${archive} SYSTEM PUBLIC "${out}")
  target_link_libraries(${archive} PUBLIC protobuf::libprotobuf gRPC::grpc++)
  add_library(lockstep_proto_${ARG_NAME} INTERFACE)
  add_library(lockstep::proto_${ARG_NAME} ALIAS lockstep_proto_${ARG_NAME})
  target_include_directories(lockstep_proto_${ARG_NAME} SYSTEM INTERFACE "${out}")
  target_link_libraries(lockstep_proto_${ARG_NAME} INTERFACE
    "$<LINK_LIBRARY:WHOLE_ARCHIVE,${archive}>" protobuf::libprotobuf gRPC::grpc++)
  add_dependencies(lockstep_proto_${ARG_NAME} ${archive})
  foreach(dep IN LISTS ARG_DEPS)
    add_dependencies(${archive} lockstep_proto_${dep}_archive)
    target_link_libraries(lockstep_proto_${ARG_NAME} INTERFACE lockstep::proto_${dep})
  endforeach()
endfunction()

# lockstep_manifest(SERVICE s [MINIMUM owner=revision ...])
# Makes lockstep::s_manifest, which defines Manifest() of services/s/manifest.h: what the SQL of the service and of
# common/ needs of every service's schemas, by the migrations folder of the moment (docs/manifests.md). A MINIMUM is for
# what no name shows, such as data that a revision puts in order.
function(lockstep_manifest)
  cmake_parse_arguments(ARG "" "SERVICE" "MINIMUM" ${ARGN})
  set(migrations "${PROJECT_SOURCE_DIR}/migrations")
  set(folders "services/${ARG_SERVICE}" common)
  file(GLOB_RECURSE inputs CONFIGURE_DEPENDS "${migrations}/*")
  foreach(folder IN LISTS folders)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${folder}/*.cc" "${PROJECT_SOURCE_DIR}/${folder}/*.h")
    list(APPEND inputs ${sources})
  endforeach()
  set(minimums "")
  foreach(minimum IN LISTS ARG_MINIMUM)
    list(APPEND minimums --minimum "${minimum}")
  endforeach()
  set(out "${PROJECT_BINARY_DIR}/manifests/${ARG_SERVICE}.cc")
  file(MAKE_DIRECTORY "${PROJECT_BINARY_DIR}/manifests")
  add_custom_command(
    OUTPUT "${out}"
    COMMAND lockstep-footprint --service "${ARG_SERVICE}" --migrations "${migrations}" --root "${PROJECT_SOURCE_DIR}"
            --output "${out}" ${minimums} ${folders}
    DEPENDS lockstep-footprint ${inputs}
    COMMENT "Reading what lockstep-${ARG_SERVICE} needs of the database"
    VERBATIM)
  lockstep_library(NAME ${ARG_SERVICE}_manifest SRCS "${out}" DEPS lockstep::revision_gate)
endfunction()
