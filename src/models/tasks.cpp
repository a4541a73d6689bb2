#include "models/tasks.hpp"

#include <map>

#include "models/language/task.hpp"
#include "models/view_synthesis/task.hpp"

namespace lact {
namespace {

template <class T>
std::unique_ptr<Task> made() {
  return std::make_unique<T>();
}

std::map<std::string, TaskMaker>& tasks() {
  static std::map<std::string, TaskMaker> all{
      {LanguageTask::task_name, made<LanguageTask>},
      {ViewSynthesisTask::task_name, made<ViewSynthesisTask>},
  };
  return all;
}

}  // namespace

std::unique_ptr<Task> make_task(const std::string& name) {
  const auto found = tasks().find(name);
  if (found != tasks().end()) return found->second();
  std::string known;
  for (const auto& [other, make] : tasks()) known += (known.empty() ? "" : ", ") + other;
  fail("task={}: known {} {}", name, tasks().size() == 1 ? "is" : "are", known);
}

void add_task(const std::string& name, TaskMaker make) { tasks()[name] = make; }

}  // namespace lact
