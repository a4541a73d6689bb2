# lact_test(file SIZE small|medium|large [DATA] [CUDA] [TIMEOUT seconds] LINKS folders ...)
# One GoogleTest program per file, one ctest entry per program. The size is a label: CI runs `small` again under the sanitizers.
# CUDA starts the program a second time on a GPU, label `cuda`, see tools/test.
# DATA marks tests that need ../shared/data: label `data`, see tools/test.
function(lact_test file)
  cmake_parse_arguments(A "DATA;CUDA" "SIZE;TIMEOUT" "LINKS" ${ARGN})
  get_filename_component(name ${file} NAME_WE)
  get_filename_component(folder ${file} DIRECTORY)
  list(TRANSFORM A_LINKS PREPEND lact_)
  add_executable(${name} ${file})
  target_link_libraries(${name} PRIVATE ${A_LINKS} lact_test_support lact_options)
  add_test(NAME ${folder}/${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set(labels ${A_SIZE})
  if(A_DATA)
    list(APPEND labels data)
  endif()
  if(NOT A_TIMEOUT)
    set(A_TIMEOUT 300)
  endif()
  set_tests_properties(${folder}/${name} PROPERTIES LABELS "${labels}" TIMEOUT ${A_TIMEOUT}
    ENVIRONMENT "LACT_BINARY=${CMAKE_BINARY_DIR}/lact")
  if(A_CUDA AND LACT_HAS_CUDA)
    add_test(NAME ${folder}/${name}.cuda COMMAND ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(${folder}/${name}.cuda PROPERTIES LABELS "${A_SIZE};cuda" TIMEOUT ${A_TIMEOUT}
      ENVIRONMENT "LACT_BINARY=${CMAKE_BINARY_DIR}/lact;LACT_TEST_DEVICE=cuda")
  endif()
endfunction()
