// The tasks by name.
#pragma once
#include "models/task.hpp"

namespace lact {

constexpr const char* default_task = "view_synthesis";  // of a config that names none
// With default values; an error names those that are known.
std::unique_ptr<Task> make_task(const std::string& name);
// For programs that bring a task of their own.
using TaskMaker = std::unique_ptr<Task> (*)();
void add_task(const std::string& name, TaskMaker make);

}  // namespace lact
