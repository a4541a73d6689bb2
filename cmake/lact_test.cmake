# More ranks than cores: do not bind, and give the core away while waiting.
set(LACT_MPIRUN ${MPIEXEC_EXECUTABLE} --oversubscribe --bind-to none --mca mpi_yield_when_idle 1 -n)
set(LACT_MPI_ENVIRONMENT OMP_NUM_THREADS=1 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1)

# lact_test(file SIZE small|medium|large [DATA] [CUDA] [RANKS counts ...] [TIMEOUT seconds] LINKS folders ...)
# One GoogleTest program per file, one ctest entry per program. The size is a label: CI runs `small` again under the sanitizers.
# CUDA starts the program a second time on a GPU, label `cuda`, see tools/test.
# DATA marks tests that need ../shared/data: label `data`, see tools/test.
# RANKS starts the program under mpirun with each of these numbers of ranks, one entry each (`parallel/name/4 ranks`);
# a build without MPI has no such tests.
function(lact_test file)
  cmake_parse_arguments(A "DATA;CUDA" "SIZE;TIMEOUT" "LINKS;RANKS" ${ARGN})
  if(A_RANKS AND NOT LACT_HAS_MPI)
    return()
  endif()
  get_filename_component(name ${file} NAME_WE)
  get_filename_component(folder ${file} DIRECTORY)
  list(TRANSFORM A_LINKS PREPEND lact_)
  add_executable(${name} ${file})
  set(labels ${A_SIZE})
  if(A_DATA)
    list(APPEND labels data)
  endif()
  if(NOT A_TIMEOUT)
    set(A_TIMEOUT 300)
  endif()
  set(environment "LACT_BINARY=${CMAKE_BINARY_DIR}/lact")
  if(A_RANKS)
    target_link_libraries(${name} PRIVATE ${A_LINKS} lact_test_ranks lact_options)
    list(APPEND environment ${LACT_MPI_ENVIRONMENT})
  else()
    target_link_libraries(${name} PRIVATE ${A_LINKS} lact_test_support lact_options)
    add_test(NAME ${folder}/${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set(entries ${folder}/${name})
  endif()
  foreach(ranks ${A_RANKS})
    set(entry "${folder}/${name}/${ranks} ranks")
    add_test(NAME ${entry} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
      COMMAND ${LACT_MPIRUN} ${ranks} $<TARGET_FILE:${name}>)
    set_tests_properties(${entry} PROPERTIES PROCESSORS ${ranks})
    list(APPEND entries ${entry})
  endforeach()
  set_tests_properties(${entries} PROPERTIES LABELS "${labels}" TIMEOUT ${A_TIMEOUT} ENVIRONMENT "${environment}")
  if(A_CUDA AND LACT_HAS_CUDA)
    add_test(NAME ${folder}/${name}.cuda COMMAND ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(${folder}/${name}.cuda PROPERTIES LABELS "${A_SIZE};cuda" TIMEOUT ${A_TIMEOUT}
      ENVIRONMENT "LACT_BINARY=${CMAKE_BINARY_DIR}/lact;LACT_TEST_DEVICE=cuda")
  endif()
endfunction()
