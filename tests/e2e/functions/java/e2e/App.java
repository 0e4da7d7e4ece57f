package e2e;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ThreadLocalRandom;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.crac.Core;
import org.crac.Resource;

/** Draws from every generator once in its initialisation, so that their state is in the snapshot, and again at each event. */
public class App implements RequestHandler<Map<String, Object>, Map<String, Object>> {
    private static final SecureRandom SECURE = new SecureRandom();
    private final List<String> calls = new ArrayList<>();
    private final List<Resource> hooks = List.of(new Hook("1"), new Hook("2")); // contexts hold resources weakly
    private final ExecutorService other = Executors.newSingleThreadExecutor();
    private final Map<String, Object> drawnAtInit;

    public App() throws Exception {
        hooks.forEach(Core.getGlobalContext()::register);
        drawnAtInit = draw();
    }

    private class Hook implements Resource {
        private final String number;

        Hook(String number) {
            this.number = number;
        }

        @Override
        public void beforeCheckpoint(org.crac.Context<? extends Resource> context) {
            called("before-" + number);
        }

        @Override
        public void afterRestore(org.crac.Context<? extends Resource> context) {
            called("after-" + number);
        }

        private void called(String name) {
            calls.add(name);
            if (name.equals(System.getenv("FAIL"))) {
                throw new IllegalStateException(name + ": no database today");
            }
        }
    }

    private Map<String, Object> draw() throws Exception {
        Map<String, Object> drawn = new TreeMap<>();
        drawn.put("Collections.shuffle", shuffled());
        drawn.put("Math.random", Math.random());
        drawn.put("new Random", new Random().nextLong());
        drawn.put("new SplittableRandom", new SplittableRandom().nextLong());
        drawn.put("SecureRandom", new SecureRandom().nextLong());
        drawn.put("SecureRandom held", SECURE.nextLong());
        drawn.put("ThreadLocalRandom", ThreadLocalRandom.current().nextLong());
        drawn.put("ThreadLocalRandom of another thread", other.submit((Callable<Long>) () -> ThreadLocalRandom.current().nextLong()).get());
        drawn.put("UUID.randomUUID", UUID.randomUUID().toString());
        return drawn;
    }

    private static String shuffled() {
        List<Integer> numbers = IntStream.range(0, 40).boxed().collect(Collectors.toList());
        Collections.shuffle(numbers);
        return numbers.toString();
    }

    @Override
    public Map<String, Object> handleRequest(Map<String, Object> event, Context context) {
        try {
            Thread.sleep(1000L * ((Number) event.getOrDefault("sleep", 0)).intValue());
            return Map.of("calls", calls, "drawnAtInit", drawnAtInit, "drawn", draw(), "version", System.getProperty("java.version"));
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }
}
