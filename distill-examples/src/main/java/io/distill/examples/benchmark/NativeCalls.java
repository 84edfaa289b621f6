package io.distill.examples.benchmark;

import com.sun.jdi.Bootstrap;
import com.sun.jdi.VMDisconnectedException;
import com.sun.jdi.VirtualMachine;
import com.sun.jdi.connect.Connector;
import com.sun.jdi.connect.IllegalConnectorArgumentsException;
import com.sun.jdi.connect.LaunchingConnector;
import com.sun.jdi.connect.VMStartException;
import com.sun.jdi.event.ClassPrepareEvent;
import com.sun.jdi.event.Event;
import com.sun.jdi.event.EventSet;
import com.sun.jdi.event.LocatableEvent;
import com.sun.jdi.event.MethodEntryEvent;
import com.sun.jdi.event.MethodExitEvent;
import com.sun.jdi.event.VMDeathEvent;
import com.sun.jdi.event.VMDisconnectEvent;
import com.sun.jdi.request.ClassPrepareRequest;
import com.sun.jdi.request.EventRequest;
import com.sun.jdi.request.EventRequestManager;
import com.sun.jdi.request.MethodEntryRequest;
import com.sun.jdi.request.MethodExitRequest;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Counts native calls from outside: a second Java virtual machine evaluates the losses under Java's
 * debugging interface, which reports every entry into a method of DJL's class of native methods.
 * Nothing in the measured program is changed.
 */
final class NativeCalls {

  /** All of DJL's native methods of the PyTorch engine stand in one class. */
  private static final String NATIVE_METHODS = "ai.djl.pytorch.jni.PyTorchLibrary";

  private static final String FORMULAS = "io.distill.torchscript.LoadedModule";
  private static final String MARKS = NativeCallMarks.class.getName();

  private NativeCalls() {}

  /**
   * The native calls of one evaluation.
   *
   * @param formulas how many TorchScript methods ran
   * @param insideFormulas the calls that it takes to hand them their arguments, run them and take
   *     their results
   * @param beside all other calls from the start of the loss to its value
   * @param afterwards the calls of the backward pass and of freeing arrays
   */
  record Count(int formulas, int insideFormulas, int beside, int afterwards) {}

  /** Returns the counts of all losses, in the order of {@link BenchmarkedLoss#all()}. */
  static List<Count> all() {
    try {
      LaunchingConnector connector = Bootstrap.virtualMachineManager().defaultConnector();
      Map<String, Connector.Argument> arguments = connector.defaultArguments();
      argument(arguments, "main", NativeCallProgram.class.getName());
      argument(
          arguments,
          "options",
          "-Dai.djl.offline=true -cp \"" + System.getProperty("java.class.path") + "\"");
      VirtualMachine machine = connector.launch(arguments);
      Thread output = drain(machine.process());
      List<Count> counts = watch(machine);
      output.join();
      return counts;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(e);
    } catch (IOException | IllegalConnectorArgumentsException | VMStartException e) {
      throw new IllegalStateException("a second Java virtual machine must start but did not", e);
    }
  }

  private static void argument(
      Map<String, Connector.Argument> arguments, String name, String value) {
    Connector.Argument argument = arguments.get(name);
    if (argument == null) {
      throw new IllegalStateException("the debugging connector has no argument " + name);
    }
    argument.setValue(value);
  }

  /** A program whose output nobody reads comes to a halt. */
  private static Thread drain(Process process) {
    Thread thread =
        new Thread(
            () -> {
              try {
                process.getErrorStream().transferTo(System.err);
              } catch (IOException e) {
                // the program has ended
              }
            },
            "errors of the counted program");
    thread.setDaemon(true);
    thread.start();
    return thread;
  }

  private static List<Count> watch(VirtualMachine machine) throws InterruptedException {
    ClassPrepareRequest prepared = machine.eventRequestManager().createClassPrepareRequest();
    prepared.addClassFilter(MARKS);
    prepared.enable();
    Counter counter = new Counter();
    try {
      while (true) {
        EventSet events = machine.eventQueue().remove();
        for (Event event : events) {
          if (event instanceof ClassPrepareEvent) {
            request(machine.eventRequestManager());
          } else if (event instanceof VMDeathEvent || event instanceof VMDisconnectEvent) {
            return counter.counts;
          } else if (event instanceof LocatableEvent located) {
            counter.see(located);
          }
        }
        events.resume();
      }
    } catch (VMDisconnectedException e) {
      return counter.counts;
    }
  }

  private static void request(EventRequestManager requests) {
    for (String watched : List.of(NATIVE_METHODS, FORMULAS, MARKS)) {
      MethodEntryRequest entry = requests.createMethodEntryRequest();
      entry.addClassFilter(watched);
      // at marks the program waits, so that it cannot end before all its calls were reported
      entry.setSuspendPolicy(
          watched.equals(MARKS) ? EventRequest.SUSPEND_EVENT_THREAD : EventRequest.SUSPEND_NONE);
      entry.enable();
    }
    MethodExitRequest exit = requests.createMethodExitRequest();
    exit.addClassFilter(FORMULAS);
    exit.setSuspendPolicy(EventRequest.SUSPEND_NONE);
    exit.enable();
  }

  /** Sorts the events of the main thread, which come in their order. */
  private static final class Counter {
    final List<Count> counts = new ArrayList<>();
    private boolean computing;
    private boolean afterwards;
    private boolean inFormula;
    private int formulas;
    private int inside;
    private int beside;
    private int after;

    void see(LocatableEvent event) {
      if (!event.thread().name().equals("main")) {
        return;
      }
      if (event instanceof MethodEntryEvent entry) {
        String type = entry.method().declaringType().name();
        if (type.equals(MARKS)) {
          mark(entry.method().name());
        } else if (type.equals(FORMULAS)) {
          if (entry.method().name().equals("call")) {
            inFormula = true;
            formulas++;
          }
        } else if (computing) {
          if (inFormula) {
            inside++;
          } else {
            beside++;
          }
        } else if (afterwards) {
          after++;
        }
      } else if (event instanceof MethodExitEvent exit && exit.method().name().equals("call")) {
        inFormula = false;
      }
    }

    private void mark(String name) {
      switch (name) {
        case "starts" -> {
          computing = true;
          formulas = 0;
          inside = 0;
          beside = 0;
          after = 0;
        }
        case "computed" -> {
          computing = false;
          afterwards = true;
        }
        case "ends" -> {
          afterwards = false;
          counts.add(new Count(formulas, inside, beside, after));
        }
        default -> {}
      }
    }
  }
}
