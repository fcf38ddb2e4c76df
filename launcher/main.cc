#include "launcher/command.h"

int main(int argc, char** argv) {
  return cairn::run_command(argc, argv, cairn::built_in_families());
}
