// The program `lact`, for its own main and for those of programs that bring a task of their own.
#pragma once

namespace lact {

int program(int argc, char** argv);  // the exit status

}  // namespace lact
