# `cmake --install`: the program and `lact-run` in bin, the launcher in libexec/lact, configs in share/lact, what explains them in share/doc.
install(TARGETS lact RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(PROGRAMS launch/run launch/rank.sh launch/slurm.sbatch DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/lact)
install(DIRECTORY configs DESTINATION ${CMAKE_INSTALL_DATADIR}/lact FILES_MATCHING PATTERN "*.yaml")
install(FILES README.md CONTRIBUTING.md CHANGELOG.md CITATION.cff LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR})

# Links that stay right when the whole prefix moves, and wherever `cmake --install --prefix` puts it.
function(lact_install_link folder name to_folder to) # folders below the prefix
  file(RELATIVE_PATH way /${folder} /${to_folder}/${to})
  install(CODE "set(link \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${folder}/${name}\")
    message(STATUS \"Installing: \${link}\")
    file(CREATE_LINK ${way} \"\${link}\" SYMBOLIC)")
endfunction()
lact_install_link(${CMAKE_INSTALL_BINDIR} lact-run ${CMAKE_INSTALL_LIBEXECDIR}/lact run)
lact_install_link(${CMAKE_INSTALL_LIBEXECDIR}/lact lact ${CMAKE_INSTALL_BINDIR} lact)  # which program the launcher means
