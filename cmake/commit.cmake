# cmake -DSOURCE=... -DFROM=... -DTO=... -DLACT_VERSION=... -DLACT_BUILT_WITH=... -P commit.cmake: writes TO from FROM with the commit
# of the sources, and leaves it alone where that is still the same. A folder inside somebody else's repository has no commit.
set(LACT_COMMIT unknown)
find_program(git git)
if(git)
  # Whoever owns the sources: building them already trusts them.
  set(git ${git} --no-optional-locks -c safe.directory=* -C ${SOURCE})
  execute_process(COMMAND ${git} rev-parse --show-toplevel OUTPUT_VARIABLE top OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  file(REAL_PATH ${SOURCE} real)
  if(top STREQUAL real)
    execute_process(COMMAND ${git} rev-parse --short=12 HEAD OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET
      RESULT_VARIABLE status)
    execute_process(COMMAND ${git} status --porcelain --untracked-files=no OUTPUT_VARIABLE modified ERROR_QUIET)
    if(status EQUAL 0)
      set(LACT_COMMIT ${commit})
      if(modified)
        string(APPEND LACT_COMMIT -dirty)
      endif()
    endif()
  endif()
endif()
configure_file(${FROM} ${TO} @ONLY)
