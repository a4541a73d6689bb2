#include "app/program.hpp"

int main(int argc, char** argv) { return lact::program(argc, argv); }
