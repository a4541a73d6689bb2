// What the program does as a process of the system, whatever its command.
#pragma once

namespace lact {

// First of all in main(). Opens what a parent has closed of stdin, stdout and stderr, starts the program once more with
// OpenMP's settings where they are not given, and keeps its name.
void begin_process(char** argv);

// From here on a reader of stdout or stderr that goes away stops the messages, not the work: for commands that leave
// files behind. Others end quietly, as filters do.
void outlive_readers();
bool reader_of_stdout_has_gone();

}  // namespace lact
