// The tasks that every Celery worker has (app/builtins.py), for canvases that name them.
//
// celery.map and celery.starmap call another task of this worker for each element;
// celery.chord_unlock waits until a chord's header has its results in our store and sends the body;
// celery.group, celery.chord and celery.chunks apply what they are given.
#pragma once

#include "canvas_desk.hpp"
#include "umbel/store/result_store.hpp"
#include "umbel/worker/task.hpp"

namespace umbel {

// Adds those that need no more than the tasks themselves: they may run in a process of their own.
// `tasks` stays where it is. A name that is taken stays as it is.
void add_mapping_tasks(TaskRegistry& tasks);

// Adds the others, which run inside the worker. References outlive the registry.
void add_canvas_tasks(TaskRegistry& tasks, CanvasDesk& canvas, ResultStore& results);

}  // namespace umbel
